import { useState } from 'preact/hooks'
import { getTagged, put, type ApiError } from '../api.ts'
import { confirm } from '../parts/confirm.tsx'
import { Field, filled, NumberField } from '../parts/field.tsx'
import { Form } from '../parts/form.tsx'
import { notify } from '../parts/notices.tsx'
import { PageHead, Section } from '../parts/section.tsx'
import { Empty, Failure, Loading } from '../parts/states.tsx'
import { Table } from '../parts/table.tsx'
import { href } from '../router.ts'
import type { ShedList } from '../shapes.ts'
import { useFocusKept } from '../use-focus-kept.ts'
import { asApiError, useResource } from '../use-resource.ts'

type Rule = ShedList['rules'][number]

/** Which events are not wanted for now, in the whole fleet. */
export default function Shed() {
  const { data, error, reload } = useResource((signal) => getTagged<ShedList>('/api/shed', { signal }))
  const [failure, setFailure] = useState<ApiError>()
  const rules = data?.row.rules
  useFocusKept(rules)

  async function replace(next: readonly Rule[], done: string): Promise<void> {
    try {
      await put('/api/shed', { rules: next }, { headers: { 'If-Match': data?.etag ?? '*' } })
      setFailure(undefined)
      notify(done)
    } catch (fault) {
      setFailure(asApiError(fault))
    }
    reload()
  }

  async function add(form: HTMLFormElement): Promise<void> {
    const { provider = '', integration_id, answer, retry_after_seconds } = filled(form, names)
    const rule: Rule = {
      provider,
      ...(integration_id !== undefined && { integration_id }),
      answer: answer === 'too_many_requests' ? 'too_many_requests' : 'ok',
      ...(answer === 'too_many_requests' &&
        retry_after_seconds !== undefined && { retry_after_seconds: Number(retry_after_seconds) }),
    }
    const isMeant = await confirm({
      title: `Shed events of ${whose(rule)}?`,
      text: (
        <p>
          {rule.answer === 'ok'
            ? 'They are answered 200 and thrown away: nobody sends them again.'
            : 'They are answered 429; the provider may send them again, or give up.'}{' '}
          Clicks and commands are never shed. In effect in every gateway within a second.
        </p>
      ),
      act: 'Shed them',
      isDangerous: true,
    })
    if (!isMeant) return
    form.reset()
    await replace([...(rules ?? []), rule], `Events of ${whose(rule)} are shed`)
  }

  return (
    <>
      <PageHead
        title="Shed rules"
        actions={
          <a class="button" href={href('audit')}>
            Who changed what
          </a>
        }
      >
        {rules === undefined || rules.length === 0
          ? 'Every event is taken.'
          : 'Events that are not wanted for now, in the whole fleet.'}
      </PageHead>
      {failure !== undefined && <Failure error={failure} />}
      {rules === undefined && error === undefined && <Loading what="the rules" />}
      {rules === undefined && error !== undefined && <Failure error={error} retry={reload} />}
      {rules?.length === 0 && <Empty>There are no rules.</Empty>}
      {rules !== undefined && rules.length > 0 && (
        <Table
          label="Shed rules"
          columns={[
            { name: 'Events of', cell: whose },
            {
              name: 'Answer',
              cell: ({ answer, retry_after_seconds: after }) =>
                answer === 'ok' ? '200, thrown away' : `429${after === undefined ? '' : `, again after ${after} s`}`,
            },
            {
              name: 'Steer',
              cell: (rule) => (
                <button
                  type="button"
                  aria-label={`Remove the rule of ${whose(rule)}`}
                  onClick={() =>
                    void replace(
                      rules.filter((one) => one !== rule),
                      `Events of ${whose(rule)} are taken again`,
                    )
                  }
                >
                  Remove
                </button>
              ),
            },
          ]}
          rows={rules}
          rowKey={whose}
        />
      )}
      <Section title="Add a rule">
        <Form label="Add a rule" onFilled={(form) => void add(form)}>
          <Field name="Provider">
            <input name="provider" required defaultValue="slack" class="short" />
          </Field>
          <NumberField label="Integration id, or all" name="integration_id" />
          <Field name="Answer">
            <select name="answer">
              <option value="too_many_requests">429, to be sent again</option>
              <option value="ok">200, thrown away</option>
            </select>
          </Field>
          <Field name="Again after, seconds">
            <input name="retry_after_seconds" class="short" type="number" min={1} max={86_400} defaultValue="60" />
          </Field>
          <button type="submit" class="danger">
            Shed …
          </button>
        </Form>
      </Section>
    </>
  )
}

const names = ['provider', 'integration_id', 'answer', 'retry_after_seconds'] as const

function whose({ provider, integration_id: id }: Rule): string {
  return id === undefined ? `every integration of ${provider}` : `integration ${id} of ${provider}`
}
