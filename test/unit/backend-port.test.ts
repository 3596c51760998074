/** What a store says of a failed group is acted upon where the group was made: it must arrive whole in another thread. */
import { MessageChannel } from 'node:worker_threads'
import { expect } from 'chai'
import { createBackend } from '../../backends/memory/index.js'
import { remoteBackend, serveBackend } from '../../runtime/data/backend-port.js'
import { type Backend, type Intent, type Op, Packed, Ref } from '../../src/backend.js'
import { ConflictError } from '../../src/errors.js'
import { type ClassId, newCommitId, newId } from '../../src/ids.js'

describe('a backend behind a port', () => {
  it('tells of an intent in the way with all that resolves it', async () => {
    const ref = new Ref(newId(), 'test#Thing' as ClassId)
    const set = new Map([['field', new Packed(Uint8Array.of(1, 2, 3))]])
    const redo: Op[] = [{ do: 'put', ref, set, expect: { revision: 1, commit: newCommitId() } }]
    const intent: Intent = { commit: newCommitId(), home: new Ref(ref.id, ref.classId, 'memory:elsewhere'), redo, leaseUntilMs: 5 }
    const error = new ConflictError('held', { ref, expected: 'present', found: null, intent })
    const backend: Backend = Object.assign(createBackend('memory:?private'), { commit: () => Promise.reject(error) })
    const { port1, port2 } = new MessageChannel()
    serveBackend(backend, port1)
    const far = remoteBackend(port2, backend)
    const told = await far.commit({ commit: newCommitId(), atMicros: 0n, ops: [] }).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    port1.close()
    expect(told).to.be.instanceOf(ConflictError)
    expect(told).to.deep.include({ ref, intent, retryable: true })
    expect((told as { intent: Intent }).intent.redo[0]).to.deep.equal(redo[0])
  })
})
