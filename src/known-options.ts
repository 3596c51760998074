import { ValidationError } from './errors.js'

/**
 * An option of another name would be a wish that nobody hears: a limit that does not hold, a check that is not made.
 * @throws ValidationError that names it, and those there are (`ERR_CALL_OPTION`); TypeError for what is no object
 */
export function assertKnown<O extends object>(given: O, names: readonly (keyof O & string)[], of: string): void {
  if (typeof given !== 'object' || given === null) throw new TypeError(`${of} takes its options as an object, not ${String(given)}`)
  for (const name of Object.keys(given))
    if (!(names as readonly string[]).includes(name))
      throw new ValidationError(`${of} has no option ${name}: it takes ${names.join(', ')}`, { code: 'ERR_CALL_OPTION', option: name })
}
