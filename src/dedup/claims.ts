/** What the instances of a fleet know of each other's requests. Each method rejects where that cannot be asked now. */
export interface Claims {
  /** Claims the request for `leaseMs`, unless it has been claimed or dealt with. `token`: who claims it. */
  claim(key: string, token: string, leaseMs: number): Promise<Claimed>
  /** It has been dealt with, which is known for `lifeMs`. Of two who say so the first is right. */
  settle(key: string, outcome: Uint8Array, lifeMs: number): Promise<void>
  /** Gives up a claim, if it is still this one's: whoever comes next may claim it. */
  release(key: string, token: string): Promise<void>
}

export type Claimed =
  | { readonly kind: 'ours' }
  /** Another instance is dealing with it, or has gone away while it was. */
  | { readonly kind: 'running' }
  | { readonly kind: 'done'; readonly outcome: Buffer }
