import { isPackageInstalled, pathToProgram } from '../installed.ts'
import { GATEWAY } from '../ratio-results.ts'
import { SECRET } from '../slack-event.ts'
import type { RunningServer, Stage } from '../stage.ts'
import { startGateway } from './gateway.ts'
import { startHaproxy } from './haproxy.ts'
import { startNginx } from './nginx.ts'

/** Somebody who could do the gateway's job, or a part of it. */
export interface Contender {
  readonly name: string
  readonly what: string
  /** Refuses what Slack has not signed. */
  readonly verifies: boolean
  /** Does not tell the length of what it answers. */
  readonly inChunks?: boolean
  /** What the gateway is to cost at the most, as a multiple of this. */
  readonly limit?: number
  /** A program or package that it needs and that is not there. */
  missing(): string | undefined
  start(stage: Stage, regions: readonly string[]): Promise<RunningServer>
}

const gateway: Contender = {
  name: GATEWAY,
  what: 'silo-gateway',
  verifies: true,
  missing: () => undefined,
  start: startGateway,
}

/*
 * They take turns in this order, and whoever the gateway is judged by stands right beside it: a minute later the machine
 * is another one.
 */

/** Those that have one region behind them. */
export const ONE_REGION: readonly Contender[] = [
  program('nginx', startNginx, { name: 'nginx', what: 'nginx proxy_pass' }),
  program('haproxy', startHaproxy, { name: 'haproxy', what: 'HAProxy' }),
  script('bare-dispatch', { what: 'bare node:http + undici dispatch' }),
  script('express-request', { what: 'express + undici request', needs: ['express'] }),
  script('fastify-http-proxy', {
    what: '@fastify/http-proxy',
    verifies: false,
    needs: ['fastify', '@fastify/http-proxy'],
  }),
  script('bare-request', { what: 'bare node:http + undici request', limit: 1.3 }),
  gateway,
  script('http-proxy-middleware', {
    what: 'http-proxy-middleware + express',
    verifies: false,
    limit: 0.55,
    needs: ['express', 'http-proxy-middleware'],
  }),
  script('bolt-fetch', { what: 'Bolt HTTPReceiver + fetch', inChunks: true, needs: ['@slack/bolt'] }),
]

/** Those that ask three regions at once and answer with the first answer. */
export const THREE_REGIONS: readonly Contender[] = [
  program('nginx', startNginx, {
    name: 'nginx-mirror',
    what: 'nginx with two mirrors',
    limit: 1.3,
  }),
  gateway,
  script('bare-request-all', { what: 'bare node:http + undici request' }),
  script('express-request-all', { what: 'express + undici request', needs: ['express'] }),
  script('bare-dispatch-all', { what: 'bare node:http + undici dispatch' }),
  script('express-fetch-all', { what: 'express + built-in fetch', needs: ['express'] }),
]

/** One of this folder's files. */
function script(
  name: string,
  {
    what,
    verifies = true,
    needs = [],
    ...rest
  }: { what: string; verifies?: boolean; inChunks?: boolean; limit?: number; needs?: string[] },
): Contender {
  return {
    name,
    what,
    verifies,
    ...rest,
    missing: () => needs.find((each) => !isPackageInstalled(each)),
    start: (stage, regions) => stage.startServer(`contenders/${name}.ts`, SECRET, ...regions),
  }
}

function program(
  command: string,
  start: (stage: Stage, path: string, regions: readonly string[]) => Promise<RunningServer>,
  about: Pick<Contender, 'name' | 'what' | 'limit'>,
): Contender {
  return {
    ...about,
    verifies: false,
    missing: () => (pathToProgram(command) === undefined ? command : undefined),
    start: (stage, regions) => start(stage, pathToProgram(command) ?? command, regions),
  }
}
