import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RunningServer, Stage } from '../stage.ts'
import { freePort, untilListening } from './ports.ts'

/**
 * nginx with one worker, connections to the regions kept open: `proxy_pass` to the first, and a `mirror` to each of
 * the others, whose answers it does not use.
 */
export async function startNginx(stage: Stage, program: string, regions: readonly string[]): Promise<RunningServer> {
  const port = await freePort()
  const file = join(stage.folder, `nginx-${port}.conf`)
  writeFileSync(file, configuration(stage.folder, port, regions))
  const pid = stage.startProgram(program, '-e', 'stderr', '-p', stage.folder, '-c', file)
  await untilListening(port)
  return { pid, url: `http://127.0.0.1:${port}` }
}

function configuration(folder: string, port: number, regions: readonly string[]): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `
daemon off;
worker_processes 1;
pid ${folder}/nginx-${port}.pid;
error_log stderr error;
events { worker_connections 1024; }
http {
  access_log off;
  ${temporary.map((what) => `${what}_temp_path ${folder}/nginx-${what};`).join('\n  ')}
  keepalive_requests 1000000;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  ${regions.map((region, at) => upstream(at, new URL(region).host)).join('\n  ')}
  server {
    listen 127.0.0.1:${port};
    location / {
      ${mirrors(regions, (at) => `mirror /mirror-${at};`)}
      proxy_pass http://region_0;
    }
    ${mirrors(regions, (at) => `location = /mirror-${at} { internal; proxy_pass http://region_${at}$request_uri; }`)}
  }
}
`
}

function upstream(at: number, host: string): string {
  return `upstream region_${at} { server ${host}; keepalive 64; keepalive_requests 1000000; }`
}

function mirrors(regions: readonly string[], line: (at: number) => string): string {
  return regions.map((_, at) => (at === 0 ? '' : line(at))).join('\n    ')
}
