import type { Backend, Op, Ref, Stored } from '../../src/backend.js'
import { ForwardingBackend } from '../conformance/forwarding-backend.js'

/** Has something done before each object is read, one at a time, and before each op that is committed. */
export class Interfering extends ForwardingBackend {
  constructor(
    inner: Backend,
    readonly atRead: (ref: Ref) => Promise<void>,
    readonly atOp: (op: Op) => Promise<void> = async () => {},
  ) {
    super(inner)
  }

  override async read(refs: readonly Ref[]): ReturnType<Backend['read']> {
    const found: (Stored | undefined)[] = []
    for (const ref of refs) {
      await this.atRead(ref)
      found.push(...(await super.read([ref])))
    }
    return found
  }

  override async commit(group: Parameters<Backend['commit']>[0]): ReturnType<Backend['commit']> {
    for (const op of group.ops) await this.atOp(op)
    return super.commit(group)
  }
}
