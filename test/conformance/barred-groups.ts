/** Groups whose outcome nobody heard of, and which are ended: `bar`, for stores whose connections can be cut. */
import assert from 'node:assert/strict'
import type { Backend, Group, Receipt } from '../../src/backend.js'
import { ConflictError } from '../../src/errors.js'
import { newCommitId } from '../../src/ids.js'
import { type Case, law, type Needs } from './case.js'
import { fieldOf, group, put, send, standing, thing } from './contract-kit.js'
import { refused } from './expect.js'

const bars: Needs = (backend) => (backend.bar ? undefined : 'no group of this backend is of unknown outcome, or it cannot be ended')

/** What two receipts have in common, if they say the same. */
const said = (receipt: Receipt | undefined): unknown => receipt && [receipt.applied, [...receipt.stamps], receipt.mark]

async function assertBarred(backend: Backend, sent: Group): Promise<void> {
  const error = await refused(ConflictError, () => backend.commit(sent))
  assert.equal(error.barred, sent.commit)
}

/** How often a group and its end are sent at once. */
const RACES = 20

export const barredGroups: readonly Case[] = [
  law(
    'B80',
    'a group that was applied is not barred: its receipt is told, as often as asked and by whomever, and it stands',
    async ({ store: { backend }, program }) => {
      const [ref, other] = [thing(), (await program()).backend]
      const sent = group([put(ref, { n: 1 })])
      const receipt = await backend.commit(sent)
      for (const one of [backend, other, backend]) assert.deepEqual(said(await one.bar!(sent)), said(receipt))
      assert.deepEqual(said(await other.commit(sent)), said(receipt))
      await send(other, put(ref, { n: 2 }, receipt.stamps.get(ref.id)!))
      assert.deepEqual(said(await backend.bar!(sent)), said(receipt))
      assert.equal(await fieldOf(backend, ref, 'n'), 2)
    },
    bars,
  ),

  law(
    'B81',
    'a group that was not applied is barred for good, and nothing but it: not its ops under another id, nor what stands',
    async ({ store: { backend }, program, alias }) => {
      const [ref, other, name] = [thing(), (await program()).backend, alias('barred')]
      const made = group([put(ref, { n: 1 })])
      const named = group([{ do: 'name', alias: name, expect: null, to: ref }])
      for (const sent of [made, named]) {
        for (const one of [backend, other]) assert.equal(await one.bar!(sent), undefined)
        for (const one of [other, backend]) await assertBarred(one, sent)
      }
      assert.deepEqual([await other.read([ref]), await other.find([{ alias: name }])], [[undefined], [undefined]])
      for (const sent of [made, named]) assert.equal((await other.commit({ ...sent, commit: newCommitId() })).applied, true)
      assert.equal(await fieldOf(backend, ref, 'n'), 1)
      const { stamp } = await standing(backend, ref)
      const change = group([put(ref, { n: 2 }, stamp)])
      assert.equal(await backend.bar!(change), undefined)
      await assertBarred(other, change)
      await send(other, put(ref, { n: 3 }, stamp))
      for (const sent of [made, named, change]) await assertBarred(backend, sent)
      assert.equal(await fieldOf(backend, ref, 'n'), 3)
    },
    bars,
  ),

  law(
    'B82',
    'the mark of a barred group never stands, and that of one that was applied is told',
    async ({ store: { backend } }) => {
      const home = thing()
      const attempt = (key: string): Group => {
        const commit = newCommitId()
        const mark = { key, attempt: commit, state: 'committed', outcome: Uint8Array.of(7) } as const
        return group([{ do: 'mark', home, mark }, put(home, { key }, 'absent')], commit)
      }
      const [late, done] = [attempt('task'), attempt('task')]
      assert.equal(await backend.bar!(late), undefined)
      assert.deepEqual(await backend.marks(home, ['task']), [undefined])
      const receipt = await backend.commit(done)
      assert.deepEqual([receipt.applied, receipt.mark?.attempt], [true, done.commit])
      const told = await backend.bar!(done)
      assert.deepEqual([told?.mark?.key, told?.mark?.attempt, [...told!.mark!.outcome!]], ['task', done.commit, [7]])
      assert.equal((await backend.marks(home, ['task']))[0]?.attempt, done.commit)
    },
    bars,
  ),

  law(
    'B83',
    'of a group and its end, sent at once, one comes first, and both senders are told the same',
    async ({ store: { backend }, program }) => {
      const other = (await program()).backend
      const race = async (_: unknown, nth: number): Promise<void> => {
        const ref = thing()
        const sent = group([put(ref, { n: 1 })])
        const early = nth % 2 === 0 ? other.bar!(sent) : undefined
        const [applied, ended] = await Promise.allSettled([backend.commit(sent), early ?? other.bar!(sent)])
        if (ended.status === 'rejected') throw ended.reason
        assert.equal(applied.status === 'fulfilled', ended.value !== undefined)
        if (applied.status === 'rejected') assert.equal((applied.reason as { barred?: unknown }).barred, sent.commit)
        assert.equal((await backend.read([ref]))[0] !== undefined, ended.value !== undefined)
      }
      await Promise.all(Array.from({ length: RACES }, race))
    },
    bars,
  ),
]
