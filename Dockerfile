# scripts/docker-steps.ts runs these steps without a Docker engine; it knows the instructions used here and no others.
# The version is that of the development dependency "node": tests and image run on the same one.
FROM node:26.10.0-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY scripts/build.ts scripts/build.ts
COPY src src
COPY console console
RUN node scripts/build.ts

FROM node:26.10.0-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts

FROM node:26.10.0-bookworm-slim AS gateway
# Load balancers need a moment to notice that a gateway is no longer ready.
ENV NODE_ENV=production
ENV DRAIN_DELAY_MS=5000
ENV DATABASE_URL=sqlite:data/silo-gateway.db
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json package.json
# By number, so that Kubernetes can tell it is not root; the base image calls it "node".
RUN mkdir data && chown 1000:1000 data
USER 1000:1000
VOLUME ["/app/data"]
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["node", "dist/main.js", "healthcheck"]
# One thread for what V8 compiles and marks beside the main one: on one core webhooks would wait for all four in turn.
ENTRYPOINT ["node", "--v8-pool-size=1", "dist/main.js"]
CMD ["serve"]
