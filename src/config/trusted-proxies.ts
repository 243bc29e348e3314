import { BlockList, isIP } from 'node:net'

/** Whose `X-Forwarded-*` and identity header are believed. */
export interface TrustedProxies {
  readonly ranges: readonly string[]
  /** `address` is a socket's remote address; an IPv4 one may come mapped into IPv6 (`::ffff:10.0.0.1`). */
  readonly trusts: (address: string | undefined) => boolean
}

/** Takes addresses and CIDR ranges of both families; undefined when one of them is neither. */
export function parseTrustedProxies(ranges: readonly string[]): TrustedProxies | undefined {
  const list = new BlockList()
  for (const range of ranges) {
    const [, address, bits] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(range) ?? []
    const version = isIP(address ?? '')
    if (address === undefined || version === 0) return undefined
    const widest = version === 4 ? 32 : 128
    if (Number(bits ?? widest) > widest) return undefined
    list.addSubnet(address, Number(bits ?? widest), version === 4 ? 'ipv4' : 'ipv6')
  }
  return Object.freeze({
    ranges,
    trusts(address: string | undefined) {
      const version = isIP(address ?? '')
      if (address === undefined || version === 0) return false
      return list.check(address, version === 4 ? 'ipv4' : 'ipv6')
    },
  })
}
