import type { Ref, StreamItem, Streams } from '../../src/backend.js'

/** A stream lies with its host: its items are numbered and handed out there. */
export const streamsOver = (at: (stream: Ref) => Streams, onRead: (stream: Ref, items: readonly StreamItem[]) => void): Streams => ({
  append: async (stream, producer, from, items) => at(stream).append(stream, producer, from, items),
  read: async (stream, read, signal) => {
    const items = await at(stream).read(stream, read, signal)
    onRead(stream, items)
    return items
  },
  ack: async (stream, group, ids) => at(stream).ack(stream, group, ids),
  release: async (stream, group, ids) => at(stream).release(stream, group, ids),
  end: async (stream) => at(stream).end(stream),
  items: (stream) => at(stream).items(stream),
  drop: async (stream) => at(stream).drop(stream),
})
