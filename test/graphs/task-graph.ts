/** A task graph with what each task takes and makes: what a scheduler is measured on. */
export interface GraphTask {
  readonly seconds: number
  /** Computing units that it holds while it runs. */
  readonly units: number
  /** MiB of each output. */
  readonly outputs: readonly number[]
  /** [task, output] of each input; a task's inputs come from tasks before it. */
  readonly inputs: readonly (readonly [number, number])[]
}

export interface TaskGraph {
  readonly set: string
  readonly name: string
  readonly tasks: readonly GraphTask[]
}

/** The graph with its outputs numbered through, as simulator and scheduler know them. */
export class Numbered {
  /** The first object of each task. */
  readonly first: readonly number[]
  readonly objects: readonly { readonly maker: number; readonly mib: number }[]
  readonly inputs: readonly (readonly number[])[]
  /** Tasks that read each object. */
  readonly readers: readonly (readonly number[])[]

  constructor(readonly graph: TaskGraph) {
    const first: number[] = []
    const objects: { maker: number; mib: number }[] = []
    for (const [maker, { outputs }] of graph.tasks.entries()) {
      first.push(objects.length)
      for (const mib of outputs) objects.push({ maker, mib })
    }
    this.first = first
    this.objects = objects
    this.inputs = graph.tasks.map((task) => [...new Set(task.inputs.map(([maker, output]) => first[maker]! + output))])
    const readers: number[][] = objects.map(() => [])
    for (const [task, inputs] of this.inputs.entries()) for (const object of inputs) readers[object]!.push(task)
    this.readers = readers
  }
}

/** In an order in which every task comes behind those it reads from; the graph is told to others in this order. */
export function inOrder(tasks: readonly GraphTask[]): readonly GraphTask[] {
  const place = new Map<number, number>()
  const order: number[] = []
  const visit = (root: number): void => {
    const stack = [root]
    while (stack.length > 0) {
      const task = stack.at(-1)!
      const missing = tasks[task]!.inputs.map(([maker]) => maker).filter((maker) => !place.has(maker))
      if (missing.length > 0) {
        if (stack.length > tasks.length) throw new Error(`task ${task} stands in a circle`)
        stack.push(missing[0]!)
        continue
      }
      stack.pop()
      if (!place.has(task)) place.set(task, order.push(task) - 1)
    }
  }
  for (let task = 0; task < tasks.length; task++) if (!place.has(task)) visit(task)
  return order.map((task) => ({
    ...tasks[task]!,
    inputs: tasks[task]!.inputs.map(([maker, output]) => [place.get(maker)!, output] as const),
  }))
}

/** Seconds from each task's beginning to the end of the longest chain behind it, moves left out. */
export function bottomLevels(numbered: Numbered): readonly number[] {
  const { tasks } = numbered.graph
  const levels = tasks.map(({ seconds }) => seconds)
  for (let task = tasks.length - 1; task >= 0; task--) {
    for (const [maker] of tasks[task]!.inputs) levels[maker] = Math.max(levels[maker]!, tasks[maker]!.seconds + levels[task]!)
  }
  return levels
}
