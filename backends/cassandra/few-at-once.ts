/**
 * Work on many things, of which only some are under way at one time: what is not begun costs nothing. Begun all at once they would stand in
 * line for the servers, each with all that it has made so far, and the garbage collector would look at them again and again.
 */
export async function fewAtOnce<T, R>(items: readonly T[], max: number, work: (item: T, i: number) => Promise<R>): Promise<R[]> {
  if (items.length <= max) return Promise.all(items.map(work))
  const results = new Array<R>(items.length)
  let next = 0
  const one = async (): Promise<void> => {
    for (let i = next++; i < items.length; i = next++) results[i] = await work(items[i]!, i)
  }
  try {
    await Promise.all(Array.from({ length: max }, one))
    return results
  } finally {
    next = items.length // after a failure nothing further is begun
  }
}
