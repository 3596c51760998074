/**
 * Asks for the next page while the one before is worked on, and for no more: stores give each page when they are asked for it. Leaving
 * early waits for the page that is under way and closes the source.
 */
export async function* prefetched<T>(pages: AsyncIterable<T>): AsyncGenerator<T, void> {
  const source = pages[Symbol.asyncIterator]()
  let next = source.next()
  try {
    for (let page = await next; !page.done; page = await next) {
      next = source.next()
      next.catch(() => {}) // thrown where it is awaited; nobody waits for it if the loop is left before
      yield page.value
    }
  } finally {
    await source.return?.()
  }
}
