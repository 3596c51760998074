/**
 * What a run has done, in a file, so that the same program started again by `insitu run --run ID` goes on from there. A task is found
 * by the number of its call, its function and what it was given: a program makes the same calls again, and one that is another, or whose
 * module was written anew, runs anew.
 * What a task changed in a store is in the store, with its mark, so that a task whose line is missing here runs again and changes nothing twice.
 */
import { createHash } from 'node:crypto'
import { closeSync, existsSync, openSync, readFileSync, rmSync, truncateSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { classOf, findConstructor } from '../../src/classes/class-registry.js'
import { decodeWire, encodeWire, type Wire } from '../../src/codec/wire.js'
import { ValidationError } from '../../src/errors.js'
import type { ClassId } from '../../src/ids.js'
import { makeFolders } from '../../src/make-folders.js'
import { isStorageObject, stateOf } from '../../src/objects/storage-object.js'
import type { Carried, HomeParts } from '../engines/messages.js'
import type { TaskDefinition } from '../tasks/task.js'
import { ModuleTexts } from './module-texts.js'
import { RunLock } from './run-lock.js'
import type { TaskRecord } from './task-record.js'

/** What a finished task made and changed. */
export interface Done {
  readonly result: Carried
  readonly written: readonly (readonly [arg: number, value: Carried])[] | undefined
  readonly changed: readonly string[] | undefined
  readonly home: HomeParts | undefined
}

interface Line extends Done {
  readonly call: number
  readonly name: string
  readonly given: string
  /** Print of the text that it was made by; not there in what former versions kept. */
  readonly text?: string
}

/** Bytes before a line: its length and its checksum. */
const HEAD_BYTES = 8

export class Checkpoint {
  readonly #path: string
  readonly #lock: RunLock
  readonly #texts = new ModuleTexts()
  readonly #known: Map<number, Line>
  /** Calls by task: a call that waits for its arguments gets its task later than those after it. */
  readonly #calls = new Map<number, number>()
  #file: number | undefined
  #next = 0
  /** Tasks that were found done. */
  resumed = 0

  constructor(
    readonly runId: string,
    folder: string,
  ) {
    makeFolders(folder)
    this.#path = join(folder, `${runId}.log`)
    this.#lock = new RunLock(folder, runId)
    const { lines, bytes } = linesIn(this.#path)
    this.#known = new Map(lines.map((line) => [line.call, line]))
    this.#file = openSync(this.#path, 'a', 0o600)
    truncateSync(this.#path, bytes) // a line that was cut short by the end of the program
  }

  /** The number of a call, given when it is made. */
  nextCall(): number {
    return this.#next++
  }

  /**
   * What a task has changed in a store by another text, or another task at this call, stands there: going on would mix the two.
   * @throws ValidationError ERR_RUN_CHANGED
   */
  assertSame(call: number, definition: TaskDefinition, target: unknown): void {
    const line = this.#known.get(call)
    if (!line?.changed || (line.name === nameOf(definition) && this.#isSameText(line, definition, classIdOf(target)))) return
    throw new ValidationError(
      `task ${definition.name} has changed the store in this run, by another text of its module, or of one that it imports, or another task has at this call: begin a new run (--run new), or go on with the program as it was`,
      { code: 'ERR_RUN_CHANGED', run: this.runId, task: definition.name },
    )
  }

  #isSameText({ text }: Line, definition: TaskDefinition, target: ClassId | undefined): boolean {
    return text === undefined || text === this.#textOf(definition, target)
  }

  #textOf({ site }: TaskDefinition, target: ClassId | undefined): string {
    const ctor = target === undefined ? undefined : findConstructor(target)
    const url = site?.url ?? (ctor && classOf(ctor).url)
    return url === undefined ? '' : this.#texts.printOf(url)
  }

  entered({ task }: TaskRecord, call: number): void {
    this.#calls.set(task, call)
  }

  /** Under which a task's mark stands, in every life of the run. */
  keyOf(task: number): string {
    return `${this.runId}/${this.#calls.get(task)}`
  }

  /** What an earlier life of the run has of this task. */
  done(record: TaskRecord, args: readonly Carried[]): Done | undefined {
    const call = this.#calls.get(record.task)
    const line = call === undefined ? undefined : this.#known.get(call)
    const { definition } = record.kind
    if (line?.name !== nameOf(definition) || line.given !== printOf(args)) return undefined
    if (!this.#isSameText(line, definition, targetIn(definition, args))) return undefined
    this.resumed++
    return line
  }

  /** Keeps what a task has made. */
  note(record: TaskRecord, args: readonly Carried[], done: Done): void {
    const call = this.#calls.get(record.task)
    if (this.#file === undefined || call === undefined) return // a child of a task is kept with its parent
    const { definition } = record.kind
    const text = this.#textOf(definition, targetIn(definition, args))
    const line: Line = { ...done, call, name: nameOf(definition), given: printOf(args), text }
    const body = encodeWire(line)
    const bytes = Buffer.alloc(HEAD_BYTES + body.length)
    bytes.writeUInt32LE(body.length, 0)
    bytes.writeUInt32LE(crc32(body), 4)
    bytes.set(body, HEAD_BYTES)
    writeSync(this.#file, bytes)
  }

  /** The run is over (nobody will go on with it), or its program has failed and may be started again. */
  close(isOver: boolean): void {
    if (this.#file !== undefined) closeSync(this.#file)
    this.#file = undefined
    if (isOver) rmSync(this.#path, { force: true })
    this.#lock.release()
  }
}

/**
 * What its line says of a task's function: where it stands and what its text is. A program that goes on may make another call here than it made
 * before. Not the name of its export, which only workers know.
 */
function nameOf({ method, site, body }: TaskDefinition): string {
  const file = site?.url.split('/').at(-1)
  return `${method ?? file?.replace(/\.[cm]?[jt]s$/, '')} ${textPrintOf(body)}`
}

const textPrints = new WeakMap<TaskDefinition['body'], string>()

function textPrintOf(body: TaskDefinition['body']): string {
  const known = textPrints.get(body)
  if (known !== undefined) return known
  const print = createHash('sha1').update(String(body)).digest('base64')
  textPrints.set(body, print)
  return print
}

const classIdOf = (target: unknown): ClassId | undefined =>
  typeof target === 'object' && target !== null && isStorageObject(target) ? stateOf(target).ref?.classId : undefined

/** The class of the object whose method it is. */
function targetIn({ method }: TaskDefinition, [target]: readonly Carried[]): ClassId | undefined {
  return method !== undefined && typeof target === 'object' && target?.k === 'o' ? (target.c as ClassId) : undefined
}

const printOf = (args: readonly Carried[]): string =>
  createHash('sha1')
    .update(encodeWire(args as Wire))
    .digest('base64')

function linesIn(path: string): { readonly lines: readonly Line[]; readonly bytes: number } {
  const all = existsSync(path) ? readFileSync(path) : Buffer.alloc(0)
  const lines: Line[] = []
  let at = 0
  while (at + HEAD_BYTES <= all.length) {
    const end = at + HEAD_BYTES + all.readUInt32LE(at)
    const body = all.subarray(at + HEAD_BYTES, end)
    if (end > all.length || crc32(body) !== all.readUInt32LE(at + 4)) break
    lines.push(decodeWire(body) as Line)
    at = end
  }
  return { lines, bytes: at }
}
