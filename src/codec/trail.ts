/** Where in a value the codec is. Kept as raw steps, since its text is needed only when something is refused. */
import { VALUE_DEPTH_MAX } from '../limits.js'

export const Step = { property: 0, mapKey: 1, mapValue: 2, member: 3 } as const
export type Step = (typeof Step)[keyof typeof Step]

export class Trail {
  depth = 0
  private readonly steps: unknown[] = []
  private readonly kinds: Step[] = []

  /** `isField`: the root names a field of an object; else it says in words what the value is, such as an argument of a task. */
  constructor(
    private readonly root: string,
    readonly isField = true,
  ) {}

  /** Goes one level down; false when that is deeper than values may be. */
  enter(kind: Step): boolean {
    this.kinds[this.depth++] = kind
    return this.depth <= VALUE_DEPTH_MAX
  }

  at(step: unknown): void {
    this.steps[this.depth - 1] = step
  }

  atMap(kind: Step, step: unknown): void {
    this.kinds[this.depth - 1] = kind
    this.steps[this.depth - 1] = step
  }

  leave(): void {
    this.depth--
  }

  toString(): string {
    let text = this.root
    for (let i = 0; i < this.depth; i++) text += textOf(this.kinds[i]!, this.steps[i])
    return text
  }

  /** For a path that would be thousands of levels long. */
  get start(): string {
    return this.root
  }
}

const IDENTIFIER = /^[\p{L}_$][\p{L}\p{N}_$]*$/u

function textOf(kind: Step, step: unknown): string {
  if (kind === Step.mapValue) return `.get(${shown(step)})`
  if (kind === Step.mapKey) return `.keys()[${step}]`
  if (kind === Step.member) return `.values()[${step}]`
  if (typeof step === 'string') return IDENTIFIER.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`
  return `[${String(step)}]`
}

function shown(key: unknown): string {
  if (typeof key === 'string') return JSON.stringify(key)
  return typeof key === 'object' && key !== null ? `a ${key.constructor?.name ?? 'key'}` : String(key)
}
