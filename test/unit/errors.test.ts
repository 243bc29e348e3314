import { describe, expect, it } from 'vitest'
import { catalogue, Refusal, SiloClientError } from '../../src/errors.ts'
import { problemReply } from '../../src/send-reply.ts'
import { answered, failed, refused, timedOut } from './dispatch/results.ts'

describe('a SiloClientError', () => {
  it.each([
    ['504 where every region timed out', [timedOut('us'), timedOut('eu')], 504],
    ['503 where none could be tried', [refused('us'), refused('eu')], 503],
    ['503 where the directory could not say whom to ask', [], 503],
    ['502 where one failed', [failed('us')], 502],
    ['502 where some timed out and some could not be tried', [timedOut('us'), refused('eu')], 502],
    ['502 where an answer was not good enough', [answered('us', 404)], 502],
  ])('is %s', (_, results, status) => {
    expect(new SiloClientError(results)).toMatchObject({ status, code: 'silo_client_error', results })
  })

  it('gives a reason for each region, in their order', () => {
    const error = new SiloClientError([answered('us', 404), timedOut('eu'), refused('ap'), failed('sa')])
    expect(Object.entries(error.regions)).toEqual([
      ['us', 'http_404'],
      ['eu', 'timeout'],
      ['ap', 'region_down'],
      ['sa', 'http_500'],
    ])
    expect(error.message).toBe('No region could answer (us: http_404, eu: timeout, ap: region_down, sa: http_500)')
  })

  it('says so where there was no region to ask, or why else there is none', () => {
    expect(new SiloClientError([]).message).toBe('The directory could not be asked')
    expect(new SiloClientError([], { why: 'It is under way' }).message).toBe('It is under way')
    expect(new SiloClientError([refused('us')], { why: 'It is under way' }).message).toContain('us: region_down')
  })
})

describe('a problem document', () => {
  it.each(Object.keys(catalogue).filter((code): code is Refusal['code'] => code !== 'silo_client_error'))(
    'of %s has its status, code and title, and what the caller may know',
    (code) => {
      const reply = problemReply(new Refusal(code, 'Say this.', { headers: { Allow: 'POST' } }))
      expect(reply.status).toBe(catalogue[code].status)
      expect(reply.rawHeaders).toEqual([
        'Content-Type',
        'application/problem+json',
        'Cache-Control',
        'no-store',
        'Allow',
        'POST',
      ])
      expect(JSON.parse(reply.body.toString())).toEqual({
        type: `urn:silo-gateway:error:${code}`,
        title: catalogue[code].title,
        status: catalogue[code].status,
        code,
        detail: 'Say this.',
      })
    },
  )

  it('of a SiloClientError names the regions and why, not where they live', () => {
    const reply = problemReply(new SiloClientError([timedOut('us'), failed('eu')]))
    expect(reply.status).toBe(502)
    expect(JSON.parse(reply.body.toString())).toEqual({
      type: 'urn:silo-gateway:error:silo_client_error',
      title: 'No region could answer',
      status: 502,
      code: 'silo_client_error',
      regions: { us: 'timeout', eu: 'http_500' },
    })
  })

  it('of a SiloClientError without regions says that the directory could not be asked', () => {
    const problem: unknown = JSON.parse(problemReply(new SiloClientError([])).body.toString())
    expect(problem).toMatchObject({ status: 503, detail: 'The directory could not be asked', regions: {} })
  })
})
