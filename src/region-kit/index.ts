export {
  regionMiddleware,
  type ForwardedRequest,
  type RegionMiddleware,
  type UnreadRequest,
} from './region-middleware.ts'
export { rememberNonces } from './remember-nonces.ts'
export {
  ForwardedRequestError,
  verifyForwarded,
  type ForwardedMessageHeaders,
  type ForwardedRecord,
  type ForwardedRequestErrorCode,
  type SeenNonces,
  type SigningKeys,
  type VerifyOptions,
} from './verify-forwarded.ts'
