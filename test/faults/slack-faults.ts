import type { Fault } from './fault.ts'
import { sendWebhook } from './slack-client.ts'
import { surfaces, webhook, type Surface } from './surfaces.ts'
import { hurtTeams, teamEverywhere, type Team } from './teams.ts'
import type { World } from './world.ts'

const IDENTICAL = 1000
/** Nothing tells one visit to a page from the next. */
export const deduplicated = surfaces.filter((surface) => surface !== 'page')

/** The same request, signature and all, as often at once; every one of them has to hear the same. */
export async function sendIdentical(world: World, surface: Surface, team: Team): Promise<void> {
  const { ledger, port, responses } = world
  const mark = ledger.nextMark()
  const request = webhook(surface, mark, team, responses.url)
  const tries = await Promise.all(Array.from({ length: IDENTICAL }, () => sendWebhook(port, request)))
  ledger.sent.set(mark, { mark, surface, team, tries })
  const answers = new Set(tries.map(({ heard }) => `${heard?.status} ${heard?.body}`))
  if (answers.size > 1) {
    ledger.complaints.push(
      `${surface}: identical requests got ${answers.size} answers: ${[...answers].join(' ').slice(0, 400)}`,
    )
  }
  const isForAll = surface === 'event' || surface.startsWith('action') || surface === 'view' || surface === 'shortcut'
  for (const region of isForAll ? team.regions : team.regions.slice(0, 1)) {
    const calls = ledger.executions.filter((execution) => execution.mark === mark && execution.region === region)
    if (calls.length !== 1)
      ledger.complaints.push(`${surface}: ${IDENTICAL} identical requests made ${calls.length} calls`)
  }
}

export const slackFaults: readonly Fault[] = [
  {
    name: `${IDENTICAL} identical requests`,
    alone: true,
    async run(world, form) {
      world.regions.hurt.behave({ kind: 'answers', afterMs: 300 })
      const chosen: readonly Surface[] = form === 'quick' ? ['event', 'command'] : deduplicated
      for (const surface of chosen) await sendIdentical(world, surface, teamEverywhere)
    },
  },
  {
    name: `${IDENTICAL} identical, region refuses`,
    alone: true,
    async run(world, form) {
      await world.regions.hurt.refuse()
      const chosen: readonly Surface[] = form === 'quick' ? ['event'] : ['event', 'command', 'action, response_url']
      const [team] = hurtTeams
      for (const surface of chosen) if (team !== undefined) await sendRefused(world, surface, team)
      await world.regions.hurt.heal()
    },
  },
  {
    name: 'slow-loris Slack',
    // Requests that take most of the budget to arrive, some of them never, and a region that uses up the rest.
    async run(world) {
      world.regions.hurt.behave({ kind: 'hangs_before_headers' })
      const posted = surfaces.filter((surface) => surface !== 'page')
      const drips = posted.flatMap((surface) =>
        hurtTeams.flatMap((team) => [
          world.send(surface, team, { slowlyOverMs: 2000 }),
          world.send(surface, team, { slowlyOverMs: 2000, headToo: true }),
          world.send(surface, team, { slowlyOverMs: 2000, neverEnds: true }),
        ]),
      )
      await Promise.all([...drips, world.wave()])
      await world.regions.hurt.heal()
      await world.recovered()
    },
  },
]

/** Where the region has nothing to say, what counts is what arrives in the end. */
async function sendRefused(world: World, surface: Surface, team: Team): Promise<void> {
  const { ledger, port, responses } = world
  const mark = ledger.nextMark()
  const request = webhook(surface, mark, team, responses.url)
  const tries = await Promise.all(Array.from({ length: IDENTICAL }, () => sendWebhook(port, request)))
  ledger.sent.set(mark, { mark, surface, team, tries })
}
