/** Stores for random programs: each program has names and objects of its own. */
import { connect, type Store } from '../../runtime/index.js'
import { SharedBackend } from '../conformance/forwarding-backend.js'
import type { Subject } from '../conformance/session.js'
import { subjectAt } from '../conformance/subjects.js'

/** Opens data at a url for as long as `body` runs; each call of what it is given is a program of its own. */
export async function withData(url: string, body: (open: () => Promise<Store>) => Promise<void>): Promise<void> {
  const subject = await subjectAt(url)()
  try {
    await body(() => openedBy(subject))
  } finally {
    await subject.drop?.()
  }
}

function openedBy(subject: Subject): Promise<Store> {
  const opened = subject.open()
  return connect(typeof opened === 'string' ? opened : new SharedBackend(opened))
}
