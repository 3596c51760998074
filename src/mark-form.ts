/** A mark as servers keep it: 36 characters of attempt, its state (`c` or `a`), `1` and the outcome, or `0`. */
import type { Mark } from './backend.js'
import type { CommitId } from './ids.js'

export const markForm = ({ attempt, state, outcome }: Mark): Buffer =>
  Buffer.concat([Buffer.from(`${attempt}${state === 'committed' ? 'c' : 'a'}${outcome ? '1' : '0'}`), outcome ?? Buffer.alloc(0)])

const HEAD_BYTES = 38

export const markOf = (key: string, form: Buffer): Mark => ({
  key,
  attempt: form.toString('latin1', 0, HEAD_BYTES - 2) as CommitId,
  state: form[HEAD_BYTES - 2] === 0x63 ? 'committed' : 'aborted',
  outcome: form[HEAD_BYTES - 1] === 0x31 ? Uint8Array.from(form.subarray(HEAD_BYTES)) : null,
})
