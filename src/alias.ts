import { ValidationError } from './errors.js'
import { ALIAS_BYTES_MAX } from './limits.js'

const utf8 = new TextEncoder()

/** Refuses an alias that not every backend can hold. */
export function checkAlias(alias: unknown): asserts alias is string {
  if (typeof alias !== 'string' || alias === '')
    throw new ValidationError(`an alias is a text of at least one character, not ${alias === '' ? 'an empty one' : String(alias)}`, {
      code: 'ERR_ALIAS_INVALID',
      alias,
    })
  if (!alias.isWellFormed())
    throw new ValidationError('an alias must be well-formed text (no lone surrogates)', { code: 'ERR_ALIAS_INVALID', alias })
  if (alias.length * 3 > ALIAS_BYTES_MAX && utf8.encode(alias).length > ALIAS_BYTES_MAX)
    throw new ValidationError(`alias ${alias.slice(0, 40)}… is longer than ${ALIAS_BYTES_MAX} bytes of UTF-8; shorten it`, {
      code: 'ERR_KEY_TOO_LONG',
    })
}
