/** Names that a unit of work holds which is decided, and not settled yet. */
import assert from 'node:assert/strict'
import type { Backend, Intent, Mark, Op, Ref } from '../../src/backend.js'
import { type CommitId, newCommitId } from '../../src/ids.js'
import { put, send, thing } from '../conformance/contract-kit.js'
import { flat } from '../conformance/expect.js'
import { Keyspace, siteFor } from './kit.js'

describe('cassandra: names of units that are decided', function () {
  this.timeout(60_000)
  let keyspace: Keyspace
  let backend: Backend
  before(async function () {
    keyspace = await Keyspace.on(await siteFor(this))
    backend = await keyspace.open()
  })
  after(async function () {
    this.timeout(120_000)
    await backend?.close()
    await keyspace?.drop()
  })

  const named = (alias: string, to: Ref | null, expect: Ref | null): Op => ({ do: 'name', alias, to, expect })
  const namesOf = async (ref: Ref): Promise<string[]> => (await flat(backend.aliases({ ref }))).map(([alias]) => alias)
  const standing = async (): Promise<Ref> => {
    const ref = thing()
    await send(backend, put(ref, { n: 1 }))
    return ref
  }
  const decide = (home: Ref, round: CommitId, state: Mark['state']): Promise<unknown> =>
    send(backend, { do: 'mark', home, mark: { key: round, attempt: state === 'committed' ? round : newCommitId(), state, outcome: null } })

  /** A name that a round is about to give or to take away. */
  async function held(alias: string, ref: Ref, to: Ref | null): Promise<Intent> {
    const expect = to ? null : ref
    const intent = { commit: newCommitId(), home: await standing(), redo: [named(alias, to, expect)], leaseUntilMs: Date.now() + 60_000 }
    await send(backend, { do: 'reserve', target: { alias }, expect, intent })
    return intent
  }

  it('are listed from the decision on, before they are settled as afterwards', async () => {
    const ref = await standing()
    const { commit, home } = await held('decided/given', ref, ref)
    assert.deepEqual(await namesOf(ref), [])
    await decide(home, commit, 'committed')
    assert.deepEqual(await namesOf(ref), ['decided/given'])
    await send(backend, { do: 'settle', target: { alias: 'decided/given' }, commit, take: true })
    assert.deepEqual(await namesOf(ref), ['decided/given'])
  })

  it('are no longer listed where it takes them away', async () => {
    const ref = await standing()
    await send(backend, named('decided/taken', ref, null))
    const { commit, home } = await held('decided/taken', ref, null)
    assert.deepEqual(await namesOf(ref), ['decided/taken'])
    await decide(home, commit, 'committed')
    assert.deepEqual(await namesOf(ref), [])
  })

  it('are as they were where it was given up', async () => {
    const ref = await standing()
    const { commit, home } = await held('decided/never', ref, ref)
    await decide(home, commit, 'aborted')
    assert.deepEqual(await namesOf(ref), [])
  })
})
