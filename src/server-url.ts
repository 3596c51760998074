/** What the urls of servers have in common: options behind a question mark, files for TLS, and that what is refused names no secret. */
import { UnsupportedError, ValidationError } from './errors.js'
import { hasRawPassword, RAW_PASSWORD, withoutSecrets } from './url-secrets.js'

/** Files in PEM form, and the name that the server's certificate must have. */
export interface TlsFiles {
  readonly caFile: string | undefined
  readonly certFile: string | undefined
  readonly keyFile: string | undefined
  readonly servername: string | undefined
}

export const TLS_OPTIONS: readonly string[] = ['caFile', 'certFile', 'keyFile', 'servername'] satisfies (keyof TlsFiles)[]

/** Receipts are kept for twice as long: a group that is sent again without one would be applied twice. */
const PATIENCE_MS_MAX = 300_000

export class ServerUrl {
  /** Without user and password. */
  readonly clean: string

  /** `kind`: what stands before the colon; `form`: how the whole url is written. */
  constructor(
    readonly url: string,
    readonly kind: string,
    readonly form: RegExp,
  ) {
    this.clean = url.replace(/\/\/[^@/?]*@/, '//')
  }

  /** The groups of `form`. Errors: ValidationError (`ERR_STORE_URL`) */
  get parts(): readonly (string | undefined)[] {
    return this.form.exec(this.url) ?? this.refuse(`it is no ${this.kind} url`)
  }

  /** Errors: UnsupportedError for one that is not `known`, or that is given twice. */
  options(query: string, known: readonly string[]): URLSearchParams {
    const options = new URLSearchParams(query)
    for (const name of options.keys()) {
      if (!known.includes(name)) this.refuse(`it knows no option ${name}; there are ${known.join(', ')}`)
      if (options.getAll(name).length > 1) this.refuse(`it says ${name} twice`)
    }
    return options
  }

  tlsFiles(options: URLSearchParams): TlsFiles {
    const of = (name: keyof TlsFiles): string | undefined => options.get(name) ?? undefined
    return { caFile: of('caFile'), certFile: of('certFile'), keyFile: of('keyFile'), servername: of('servername') }
  }

  /** `unsaid`: what holds if the url says nothing. */
  patienceMs(options: URLSearchParams, unsaid: number): number {
    const ms = this.number('patienceMs', options.get('patienceMs') ?? String(unsaid))
    return ms <= PATIENCE_MS_MAX ? ms : this.refuse(`patienceMs is at most ${PATIENCE_MS_MAX}, not ${ms}`)
  }

  number(what: string, text: string): number {
    return /^\d{1,9}$/.test(text) ? Number(text) : this.refuse(`${what} is a number, not ${text}`)
  }

  /** What stands in a url, percent signs taken apart. */
  decoded(text: string, why = RAW_PASSWORD): string {
    try {
      return decodeURIComponent(text)
    } catch {
      return this.refuse(why)
    }
  }

  refuse(why: string): never {
    const shown = withoutSecrets(this.url)
    const details = { url: shown }
    // What is wrong with the url may then be said of a piece of the password.
    const message = `The ${this.kind} backend cannot open ${shown}: ${hasRawPassword(this.url) ? RAW_PASSWORD : why}.`
    if (this.form.test(this.url)) throw new UnsupportedError(message, details)
    throw new ValidationError(message, { code: 'ERR_STORE_URL', ...details })
  }
}
