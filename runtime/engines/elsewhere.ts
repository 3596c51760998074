/** Children of tasks that a worker has others run: asked of the program, which puts them into its graph. */
import { classOf, findConstructor } from '../../src/classes/class-registry.js'
import type { ClassId } from '../../src/ids.js'
import type { Call, Outcome } from '../attempt.js'
import type { ChildCall } from '../tasks/child-call.js'
import type { Elsewhere } from '../tasks/nested-scope.js'
import { giveClassOf } from '../tasks/revive-error.js'
import type { TaskDefinition } from '../tasks/task.js'
import { classesIn } from './local-engine.js'
import type { AnswerMessage, ClassPlace, FromWorker } from './messages.js'

interface Asked {
  /** The module of its task. */
  readonly url: string | undefined
  resolve(outcome: Outcome): void
  reject(error: unknown): void
}

export class Others {
  readonly #asked = new Map<number, Asked>()
  readonly #again = new Set<() => void>()
  #taken = 0
  #next = 0

  constructor(
    readonly tell: (message: FromWorker) => void,
    /** Makes an error of what a child threw. */
    readonly errorOf: (answer: AnswerMessage) => unknown,
  ) {}

  /** How many others there are. No more children are away at once: what waits for them is bounded by it. */
  count = 0

  /** As the children of a task see them. */
  of(task: number): Elsewhere {
    return {
      take: (again, orBack) => this.#take(again, orBack),
      forget: (again) => void this.#again.delete(again),
      run: (call, definition, child) => this.#run(call, definition, child, task),
    }
  }

  #take(again: () => void, orBack: boolean): boolean {
    if (this.#taken < (orBack ? Math.max(1, this.count) : this.count)) {
      this.#taken++
      return true
    }
    if (this.count > 0) this.#again.add(again)
    return false
  }

  async #run(call: Call, definition: TaskDefinition, child: ChildCall, task: number): Promise<Outcome> {
    const number = this.#next++
    try {
      child.begins(() => this.tell({ do: 'cancel', call: number }), true)
      return await new Promise<Outcome>((resolve, reject) => {
        this.#asked.set(number, { url: definition.site?.url, resolve, reject })
        this.tell({ do: 'call', call: number, task, key: call.key, args: call.args, classes: placesOf(call), fn: placeOf(definition) })
      })
    } finally {
      this.#taken--
      const waiting = [...this.#again]
      this.#again.clear()
      for (const again of waiting) again()
    }
  }

  answer(message: AnswerMessage): void {
    const asked = this.#asked.get(message.call)
    this.#asked.delete(message.call)
    if (message.outcome) asked?.resolve(message.outcome)
    else if (asked) void this.#reject(asked, message)
  }

  async #reject({ url, reject }: Asked, message: AnswerMessage): Promise<void> {
    const error = this.errorOf(message)
    await giveClassOf(error, message.className, url)
    reject(error)
  }
}

const placeOf = ({
  name,
  method,
  site,
  directions,
  target,
  policy,
  options,
}: TaskDefinition): Extract<FromWorker, { do: 'call' }>['fn'] => ({
  name,
  method,
  url: site?.url,
  line: site?.line ?? 0,
  column: site?.column ?? 0,
  nth: site?.nth ?? 0,
  directions,
  target,
  policy,
  priority: options.priority,
  timeoutMs: options.timeoutMs,
})

/** Classes that the program itself may not have loaded. */
function placesOf({ args }: Call): readonly ClassPlace[] {
  const ids = new Set<string>()
  for (const arg of args) classesIn(arg, ids)
  return [...ids].flatMap((id) => {
    const ctor = findConstructor(id as ClassId)
    const url = ctor && classOf(ctor).url
    return url ? [{ id, url }] : []
  })
}
