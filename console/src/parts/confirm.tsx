import { signal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useId, useLayoutEffect, useRef } from 'preact/hooks'

interface Question {
  readonly title: string
  /** What will happen, and how it is taken back. */
  readonly text: ComponentChildren
  /** The verb on the button: `Drain eu`. */
  readonly act: string
  readonly isDangerous?: boolean
}

const asked = signal<(Question & { readonly settle: (yes: boolean) => void }) | undefined>(undefined)

/** Asks before something is done; false where it is called off, also by Escape. */
export function confirm(question: Question): Promise<boolean> {
  asked.peek()?.settle(false)
  return new Promise((resolve) => {
    asked.value = {
      ...question,
      settle(yes) {
        asked.value = undefined
        resolve(yes)
      },
    }
  })
}

/** Where `confirm` asks; there is one. */
export function Confirmation() {
  const question = asked.value
  const dialog = useRef<HTMLDialogElement>(null)
  const id = useId()
  // Before anything is painted: the next key is for the dialog.
  useLayoutEffect(() => {
    if (question !== undefined) dialog.current?.showModal()
    else dialog.current?.close()
  }, [question])
  return (
    <dialog
      ref={dialog}
      class="dialog"
      aria-labelledby={`${id}-title`}
      aria-describedby={`${id}-text`}
      // Told a moment after Escape: by then another question may have opened it again, which nobody has answered.
      onClose={({ currentTarget }) => {
        if (!currentTarget.open) question?.settle(false)
      }}
    >
      {question && (
        <>
          <h2 id={`${id}-title`}>{question.title}</h2>
          <div id={`${id}-text`}>{question.text}</div>
          <div class="actions">
            {/* Comes first, so that it has the focus: what changes nothing is chosen by accident. */}
            <button type="button" onClick={() => question.settle(false)}>
              Cancel
            </button>
            <button
              type="button"
              class={question.isDangerous === true ? 'danger' : 'primary'}
              onClick={() => question.settle(true)}
            >
              {question.act}
            </button>
          </div>
        </>
      )}
    </dialog>
  )
}
