import { ValidationError } from './errors.js'

/**
 * An option of another name would be a wish that nobody hears. `of`: what takes them, as in `makePersistent()`.
 * @throws ValidationError that names the option, and those that there are
 */
export function assertKnown(given: object, names: readonly string[], of: string): void {
  for (const name of Object.keys(given))
    if (!names.includes(name))
      throw new ValidationError(`${of} has no option ${name}: it takes ${names.join(', ')}`, { code: 'ERR_CALL_OPTION', option: name })
}
