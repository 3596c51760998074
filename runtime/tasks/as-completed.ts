/** What became of one of several futures. */
export type Completed<T> = PromiseSettledResult<T> & { readonly index: number }

/** Outcomes in the order in which they come; `index` says whose each is. A failure is an outcome too and does not end the loop. */
export async function* asCompleted<T>(futures: Iterable<PromiseLike<T>>): AsyncGenerator<Completed<T>, void, undefined> {
  const come: Completed<T>[] = []
  let wake = (): void => {}
  const put = (outcome: Completed<T>): void => {
    come.push(outcome)
    wake()
  }
  let left = 0
  for (const future of futures) {
    const index = left++
    future.then(
      (value) => put({ index, status: 'fulfilled', value }),
      (reason: unknown) => put({ index, status: 'rejected', reason }),
    )
  }
  for (let next = 0; next < left; ) {
    if (next === come.length) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
      continue
    }
    const outcome = come[next]!
    come[next++] = undefined as never // what was looked at may go
    yield outcome
  }
}
