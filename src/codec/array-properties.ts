import { type InspectOptions, inspect } from 'node:util'

/** Up to this length a list of an array's keys costs less than to have it inspected. */
const LISTED_ARRAY_LENGTH_MAX = 64

/** Whether it has properties beside its items (a match of a RegExp has some), or fewer items than its length says. */
export const hasProperties = (array: readonly unknown[]): boolean =>
  array.length <= LISTED_ARRAY_LENGTH_MAX ? Object.keys(array).length !== array.length : !inspect(array, PROPERTIES_ALONE).endsWith(NO_MORE)

/** The only way to learn of an array's properties that does not list its items' names as well, which takes some 50 ns an item. */
const PROPERTIES_ALONE: InspectOptions = {
  maxArrayLength: 0,
  maxStringLength: 0,
  depth: 0,
  showHidden: false,
  showProxy: false,
  customInspect: false,
  getters: false,
  colors: false,
  sorted: false,
  numericSeparator: false,
  compact: true,
  breakLength: Number.POSITIVE_INFINITY,
}
/** Behind it the properties would stand. */
const NO_MORE = ' more items ]'
