/**
 * What one gateway of a fleet tells the others. Nothing depends on its arrival: what is told is in the database, and
 * whoever has not heard of it looks there sooner or later.
 */
export interface News {
  /** Tells everybody else; never throws. Returns at once, told or not. */
  tell(topic: string, text: string): void
  /** `heard`: each message of others. `missed`: some may have been lost, since the connection was. Returns the end of it. */
  listen(topic: string, listener: NewsListener): () => void
}

export interface NewsListener {
  heard(text: string): void
  missed(): void
}

/** Where there is nobody else. */
export const noNews: News = { tell: () => {}, listen: () => () => {} }
