import { Pool } from 'undici'
import { headersToSend, type Reply, type Send } from './http.ts'

export function sendByDispatch(region: string): Send {
  const pool = new Pool(region, { connections: 256 })
  return (req, body) =>
    new Promise<Reply>((resolve, reject) => {
      let status = 0
      let contentType = ''
      const chunks: Buffer[] = []
      pool.dispatch(
        { method: 'POST', path: req.url ?? '/', headers: headersToSend(req), body },
        {
          onRequestStart() {},
          onResponseStart(_, statusCode, headers) {
            status = statusCode
            contentType = String(headers['content-type'])
          },
          onResponseData: (_, chunk) => void chunks.push(chunk),
          onResponseEnd: () => resolve({ status, contentType, content: Buffer.concat(chunks) }),
          onResponseError: (_, error) => reject(error),
        },
      )
    })
}
