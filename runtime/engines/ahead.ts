/**
 * Loads the arguments of tasks before their turn has come, so that a worker does not wait for its store once per task: what several
 * tasks ask for in one turn travels together. Whatever a task depends on was committed before the task was sent here.
 */
import type { Store } from '../../src/store.js'
import { objectsIn } from '../data/carry.js'
import { type Prepared, prepareAll } from '../prepared.js'
import { isPromiseLike } from '../settled.js'
import type { Carried } from './messages.js'
import type { Queued } from './queued.js'

const TASKS_MAX = 256
/** What loaded arguments may take, if they are as large as those before. */
const BYTES_MAX = 16 * 1024 * 1024
/** How much the last task says about the next. */
const WEIGHT = 0.1

export class Ahead {
  readonly #prepared = new Map<Queued, Prepared>()
  /** Of a task's arguments: large until one is known. */
  #bytes = BYTES_MAX

  /** Begins to load for the tasks from a place of the queue on: for many at once, seldom. */
  look(queue: readonly Queued[], next: number): void {
    const wanted = Math.min(TASKS_MAX, Math.floor(BYTES_MAX / this.#bytes))
    if (this.#prepared.size > wanted / 2) return
    // A program's tasks are of few kinds: where the next has nothing to load, those behind it are not worth a look.
    const soon = queue[next]
    if (!soon || !takesObjects(soon)) return
    const begun: Queued[] = []
    for (let at = next; at < queue.length && this.#prepared.size + begun.length < wanted; at++) {
      if (!this.#prepared.has(queue[at]!) && mayLoad(queue[at]!)) begun.push(queue[at]!)
    }
    if (begun.length > 0) this.#prepare(begun)
  }

  /** What was begun for a task, which is the caller's now. */
  take(queued: Queued): Prepared | undefined {
    const prepared = this.#prepared.get(queued)
    this.#prepared.delete(queued)
    return prepared
  }

  /** Of several stores those of the first: the next look finds the others. */
  #prepare(begun: readonly Queued[]): void {
    const store = begun[0]!.store as Store
    const same = begun.filter((one) => one.store === store)
    const prepared = prepareAll(store, same)
    for (const [i, one] of prepared.entries()) this.#prepared.set(same[i]!, one)
    let found: Promise<unknown> | undefined
    for (const one of prepared) found = one.found ?? found
    void found?.then(() => {
      for (const { at, objects } of prepared) if (objects) this.#learn(at.used?.fetchedBytes ?? 0)
    })
  }

  #learn(bytes: number): void {
    this.#bytes += (Math.max(1, bytes) - this.#bytes) * (bytes > this.#bytes ? 1 : WEIGHT)
  }
}

const mayLoad = (queued: Queued): boolean => !queued.ready && !isPromiseLike(queued.store) && isAlone(queued)

const takesObjects = ({ args }: Queued): boolean => args.some(holdsObject)

const holdsObject = (arg: Carried): boolean => typeof arg === 'object' && arg !== null && objectsIn(arg).length > 0

const FIRST = 1

/** Whether nobody changes its arguments meanwhile: others of the program do where writers share them, and a conflict shows that somebody does. */
const isAlone = ({ place, number }: Queued): boolean => number === FIRST && !place.directions.some(isShared) && !isShared(place.target)

const isShared = (direction: string | undefined): boolean => direction === 'CONCURRENT' || direction === 'COMMUTATIVE'
