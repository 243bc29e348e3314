import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RunningServer, Stage } from '../stage.ts'
import { freePort, untilListening } from './ports.ts'

/** HAProxy with one thread in front of one region. */
export async function startHaproxy(
  stage: Stage,
  program: string,
  [region = '']: readonly string[],
): Promise<RunningServer> {
  const port = await freePort()
  const file = join(stage.folder, 'haproxy.cfg')
  writeFileSync(file, configuration(port, new URL(region).host))
  const pid = stage.startProgram(program, '-db', '-f', file)
  await untilListening(port)
  return { pid, url: `http://127.0.0.1:${port}` }
}

function configuration(port: number, region: string): string {
  return `
global
  nbthread 1
  maxconn 1024
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend slack
  bind 127.0.0.1:${port}
  default_backend region
backend region
  server region ${region}
`
}
