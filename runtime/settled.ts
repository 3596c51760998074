/** Awaits what a task's argument may hold: promises, also inside arrays. */
export async function settled(value: unknown): Promise<unknown> {
  const direct = await value
  return Array.isArray(direct) && direct.some(isPromiseLike) ? Promise.all(direct.map(settled)) : direct
}

export const isPromiseLike = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
