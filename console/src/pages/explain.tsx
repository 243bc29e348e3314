import { useState } from 'preact/hooks'
import { get, post } from '../api.ts'
import '../explain/explain.css'
import { Explained } from '../explain/explained.tsx'
import { askedOf, FORM, nothing, paths, type Asked } from '../explain/from-delivery.ts'
import type { PageProps } from '../pages.ts'
import { Field } from '../parts/field.tsx'
import { Form } from '../parts/form.tsx'
import { PageHead } from '../parts/section.tsx'
import { Failure, Loading } from '../parts/states.tsx'
import { href } from '../router.ts'
import type { Delivery, Explanation } from '../shapes.ts'
import { asApiError, useResource } from '../use-resource.ts'

/** What the gateway would do with a webhook now, and why: nothing is sent. */
export default function Explain({ place }: PageProps) {
  const id = place.query.get('delivery') ?? undefined
  return (
    <>
      <PageHead title="Explain">What the gateway would do with a webhook now, and why. Nothing is sent.</PageHead>
      {id === undefined ? <Question asked={nothing} /> : <FromDelivery key={id} id={id} />}
    </>
  )
}

function FromDelivery({ id }: { id: string }) {
  const { data, error, reload } = useResource((signal) =>
    get<Delivery>(`/api/deliveries/${encodeURIComponent(id)}`, {}, { signal }),
  )
  if (data === undefined) {
    return error === undefined ? <Loading what="the delivery" /> : <Failure error={error} retry={reload} />
  }
  const hasBody = data.content?.body != null
  return (
    <>
      <p class="kin">
        From delivery <a href={href('deliveries', id)}>{id}</a>, whose own story says what was decided then.{' '}
        {!hasBody && 'Its body was not recorded (RECORD_BODIES): paste it to have it explained as of now.'}
        {hasBody && data.content?.cut === true && 'Only the beginning of its body was recorded: mend its end.'}
      </p>
      <Question asked={askedOf(data)} />
    </>
  )
}

function Question({ asked }: { asked: Asked }) {
  const [answer, setAnswer] = useState<{ explanation?: Explanation; error?: unknown; round: number }>({ round: 0 })
  const [isAsking, setAsking] = useState(false)

  async function ask(form: HTMLFormElement): Promise<void> {
    const text = (name: keyof Asked): string => {
      const value = new FormData(form).get(name)
      return typeof value === 'string' ? value : ''
    }
    setAsking(true)
    const given = { path: text('path').trim(), content_type: text('content_type').trim(), body: text('body') }
    const app = text('app_id').trim()
    try {
      const explanation = await post<Explanation>('/api/explain', { ...given, ...(app !== '' && { app_id: app }) })
      setAnswer(({ round }) => ({ explanation, round: round + 1 }))
    } catch (error) {
      setAnswer(({ round }) => ({ error, round: round + 1 }))
    } finally {
      setAsking(false)
    }
  }

  return (
    <>
      <Form label="A webhook" class="question" onFilled={(form) => void ask(form)}>
        <div class="filters">
          <Field name="Path">
            <input
              name="path"
              class="long"
              required
              pattern="/.*"
              title="It begins with /"
              list="paths"
              defaultValue={asked.path}
            />
          </Field>
          <datalist id="paths">
            {paths.map((path) => (
              <option key={path} value={path} />
            ))}
          </datalist>
          <Field name="Content type">
            <input name="content_type" class="long" list="types" defaultValue={asked.content_type} />
          </Field>
          <datalist id="types">
            <option value="application/json" />
            <option value={FORM} />
          </datalist>
          <Field name="App of the secret, where the body names none">
            <input name="app_id" defaultValue={asked.app_id} />
          </Field>
        </div>
        <Field name="Body">
          <textarea name="body" rows={10} spellcheck={false} defaultValue={asked.body} />
        </Field>
        <div class="actions">
          <button type="submit" class="primary" disabled={isAsking}>
            {isAsking ? 'Asking …' : 'Explain'}
          </button>
        </div>
      </Form>
      {answer.error !== undefined && <Failure error={asApiError(answer.error)} />}
      {answer.explanation !== undefined && <Explained key={answer.round} explanation={answer.explanation} />}
    </>
  )
}
