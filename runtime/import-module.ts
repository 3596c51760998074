import { UnsupportedError } from '../src/errors.js'

let registered: Promise<void> | undefined

/** Whether this Node runs `.ts` files itself; it cannot run decorators, which the loader can. */
export const stripsTypes = (): boolean => Boolean((process.features as { typescript?: unknown }).typescript)

/** Makes `.ts` modules importable in this thread: by tsx when it is installed (decorators work then), else by Node itself. */
function registerTypeScript(): Promise<void> {
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
  try {
    return (await import(url)) as object
  } catch (error) {
    // What Node says of a text that is a module, and is loaded as CommonJS.
    if (/\.tsx?$/.test(url) && (error as NodeJS.ErrnoException).code === 'ERR_REQUIRE_CYCLE_MODULE') throw commonJs(url, error)
    throw error
  }
}

const commonJs = (what: string, cause: unknown): Error =>
  new UnsupportedError(
    `${what} is loaded as CommonJS, which TypeScript is in a package that does not say otherwise: put "type": "module" into its package.json, or give the program the extension .mts`,
    { code: 'ERR_COMMONJS', cause },
  )
