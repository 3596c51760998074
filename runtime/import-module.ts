import { UnsupportedError } from '../src/errors.js'

let registered: Promise<void> | undefined

/** Whether this Node runs `.ts` files itself; it cannot run decorators, which the loader can. */
export const stripsTypes = (): boolean => Boolean((process.features as { typescript?: unknown }).typescript)

/** Makes `.ts` modules importable in this thread: by tsx when it is installed (decorators work then), else by Node itself. */
export function registerTypeScript(): Promise<void> {
  registered ??= (async () => {
    try {
      const { register } = await import('tsx/esm/api')
      register()
    } catch (cause) {
      if (stripsTypes()) return
      throw new UnsupportedError('this Node does not run .ts files by itself: `npm i -D tsx`, or compile the program first', {
        code: 'ERR_NO_TYPESCRIPT',
        cause,
      })
    }
  })()
  return registered
}

/** Imports a module by url, TypeScript included. */
export async function importModule(url: string): Promise<object> {
  if (/\.[cm]?tsx?([?#].*)?$/.test(url)) await registerTypeScript()
  return (await import(url)) as object
}
