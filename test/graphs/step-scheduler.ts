/** The scheduler of the runtime itself on a simulated cluster: its events are what happens there, its commands what is done there. */
import {
  Access,
  type Command,
  checkInvariants,
  createState,
  Kind,
  NONE,
  type RuntimeEvent,
  type RuntimeState,
  step,
} from '../../runtime/scheduler/index.js'
import type { Cluster, Happened } from './cluster.js'
import type { Numbered } from './task-graph.js'

const MIB = 2 ** 20

export interface StepOptions {
  /** Checks every law of the state after each step. */
  readonly checked?: boolean
}

export class StepScheduler {
  readonly state: RuntimeState
  steps = 0
  /** Orders what is given: earlier is more urgent. */
  #given = 0
  readonly #attempts = new Map<number, number>()
  /** What was asked for and has not come, per worker. */
  readonly #asked: Set<number>[]

  constructor(
    readonly numbered: Numbered,
    readonly cluster: Cluster,
    mibPerSecond: number,
    readonly options: StepOptions = {},
  ) {
    this.state = createState({ linkBytesPerUs: (mibPerSecond * MIB) / 1e6, fetchesAhead: true })
    this.#asked = cluster.workers.map(() => new Set())
  }

  run(): void {
    this.#step(this.#beginning())
    for (let happened = this.cluster.next(); happened; happened = this.cluster.next()) this.#step(this.#eventsOf(happened))
    const { tasks } = this.state
    const left = this.numbered.graph.tasks.findIndex((_, task) => tasks.status[task]! < 4)
    if (left !== NONE) throw new Error(`task ${left} of ${this.numbered.graph.name} never ends`)
  }

  #beginning(): RuntimeEvent[] {
    const { graph, inputs, objects, first } = this.numbered
    const kinds = [...new Set(graph.tasks.map(({ units }) => units))].filter((units) => units > 1)
    const accesses = graph.tasks.flatMap(({ outputs }, task) => [
      ...inputs[task]!.flatMap((object) => [task, object, Access.READ]),
      ...outputs.flatMap((_, o) => [task, first[task]! + o, Access.WRITE]),
    ])
    return [
      { on: 'WorkersJoined', workers: this.cluster.workers.map(({ index, units }) => ({ worker: index, slots: units, host: index })) },
      { on: 'NeedsDeclared', first: 1, needs: kinds.map((units) => ({ units, memoryMb: 0, labels: [] })) },
      { on: 'DataDeclared', first: 0, count: objects.length, kind: Kind.RENAMED, holds: 1 },
      {
        on: 'TasksSubmitted',
        first: 0,
        count: graph.tasks.length,
        fn: graph.tasks.map((_, task) => task),
        need: graph.tasks.map(({ units }) => kinds.indexOf(units) + 1),
        microseconds: graph.tasks.map(({ seconds }) => seconds * 1e6),
        accesses,
      },
    ]
  }

  #eventsOf({ ended, arrived }: Happened): RuntimeEvent[] {
    const events: RuntimeEvent[] = []
    for (const { object, worker } of arrived) {
      events.push(this.#lies(object, worker))
      if (this.#asked[worker]!.delete(object)) events.push({ on: 'FetchesEnded', host: worker, data: [object] })
    }
    for (const { task, worker } of ended) {
      const first = this.numbered.first[task]!
      const { outputs, seconds } = this.numbered.graph.tasks[task]!
      for (let o = 0; o < outputs.length; o++) if (outputs[o]! > 0) events.push(this.#lies(first + o, worker))
      const report = { worker, tasks: [task], attempts: [this.#attempts.get(task)!] }
      events.push({ on: 'TasksFinished', ...report, microseconds: [seconds * 1e6] })
    }
    return events
  }

  #lies(object: number, worker: number): RuntimeEvent {
    return { on: 'LocationsLearned', data: [object], hosts: [worker], bytes: [this.numbered.objects[object]!.mib * MIB] }
  }

  #step(events: RuntimeEvent[]): void {
    this.steps++
    const commands = step(this.state, events, this.cluster.now * 1000)
    if (this.options.checked) checkInvariants(this.state)
    for (const command of commands) this.#perform(command)
  }

  #perform(command: Command): void {
    const urgency = -this.#given++
    if (command.do === 'StartTasks') {
      for (const [i, task] of command.tasks.entries()) {
        this.#attempts.set(task, command.attempts[i]!)
        this.cluster.assign(task, command.worker, urgency)
      }
    } else if (command.do === 'FetchData') {
      for (const [i, object] of command.data.entries()) {
        const isReady = this.state.tasks.missing[command.tasks[i]!] === 0
        this.#asked[command.host]!.add(object)
        this.cluster.expect(object, command.host, isReady ? urgency : urgency - 1e9)
      }
    } else if (command.do === 'RecallTasks') throw new Error('nothing is queued behind long tasks, and nothing is recalled')
  }
}
