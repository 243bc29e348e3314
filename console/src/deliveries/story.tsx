import '../parts/lists.css'

/** What was decided and done, a line a step, as `explain` prints it: what it is about, and what is said of it. */
export function Story({ lines }: { lines: readonly string[] }) {
  return (
    <ol class="story">
      {lines.map((line, index) => {
        const [about = '', said = ''] = line.split(/: (.*)/s)
        return (
          <li key={`${index} ${line}`}>
            <span class="about">{about}</span> <span>{said}</span>
          </li>
        )
      })}
    </ol>
  )
}
