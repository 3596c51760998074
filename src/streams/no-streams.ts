import { UnsupportedError } from '../errors.js'

export const noStreams = (url: string): UnsupportedError =>
  new UnsupportedError(`${url} has no streams: use a StorageDict, or a backend that has them`, { code: 'ERR_NO_STREAMS' })
