export type Resolver = (value: any) => void

/**
 * Whether a callback is one of those that the engine makes to resolve a promise of its own: `await`, `Promise.all` and the like hand them to
 * `then` and look at nothing that it gives. They can be kept and called as they are; a promise for them alone, and one derived from it, would
 * double what an awaited task costs. Whatever else looks so too is bound, and its name says so.
 */
export const isResolver = (callback: unknown): callback is Resolver =>
  typeof callback === 'function' && callback.length === 1 && callback.name === '' && textOf(callback) === RESOLVER_TEXT

const textOf = (callback: object): string => Function.prototype.toString.call(callback)

/** As this engine writes them. */
const RESOLVER_TEXT = textOf(aResolver())

function aResolver(): object {
  let made!: object
  void new Promise<void>((resolve) => (made = resolve))
  return made
}
