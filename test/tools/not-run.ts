import type Mocha from 'mocha'

type Skippable = Mocha.Runnable | Mocha.Suite

/** Beside the tests, not on them: mocha's own types have no place for a reason. */
const reasons = new WeakMap<Skippable, string>()

/**
 * Skips the running test, or from a hook its whole suite, and says why. The only way to skip: the reporter prints the reason as
 * "not run: …", so that an absent server never reads as a passed test.
 */
export function notRun(context: Mocha.Context, why: string): never {
  const runnable: Mocha.Runnable & { readonly type?: string } = context.test ?? context.runnable()
  reasons.set(runnable.type === 'hook' && runnable.parent ? runnable.parent : runnable, why)
  return context.skip()
}

/** The reason given for a skipped test, on itself or on a suite around it. */
export function whyNotRun(test: Mocha.Test): string | undefined {
  for (let at: Skippable | undefined = test; at; at = at.parent) {
    const why = reasons.get(at)
    if (why !== undefined) return why
  }
  return undefined
}
