/** What a Dockerfile's last ENTRYPOINT gives to node before the file that it runs. Throws where it runs another program. */
export function nodeOptionsIn(dockerfile: string): string[] {
  const [, exec = '[]'] = [...dockerfile.matchAll(/^ENTRYPOINT (\[.*\])$/gm)].at(-1) ?? []
  const [program, ...args] = JSON.parse(exec) as string[]
  if (program !== 'node') throw new Error(`The image runs ${program ?? 'nothing'}, where node was expected`)
  return args.slice(
    0,
    args.findIndex((arg) => !arg.startsWith('-')),
  )
}
