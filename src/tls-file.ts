import { readFileSync } from 'node:fs'
import { UnsupportedError } from './errors.js'

/** A file in PEM form that an option of a store's url names. */
export function tlsFile(url: string, option: string, path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? (cause as Error).message
    throw new UnsupportedError(`${url} cannot be opened: ${option} is ${path}, which cannot be read (${why}); name a file in PEM form`, {
      cause,
    })
  }
}
