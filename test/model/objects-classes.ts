/** The classes that random programs of objects use. */
import { StorageObject } from '../../runtime/index.js'

/** A plain value with a class. */
export class Point {
  x = 0
  next: unknown = null
}

export class Node extends StorageObject {
  static fields = { a: () => Point }
  a: unknown = 0
  b: unknown = ''
  link: Node | null = null
}

/** Found through its base. */
export class SpecialNode extends Node {
  extra: unknown = 'special'
}

/** Stale saves go through while they touch other fields. */
export class MergingNode extends Node {
  static merge = 'fields'
}

/** Has the same fields as `Node`, and is another class. */
export class OtherNode extends StorageObject {
  static fields = { a: () => Point }
  a: unknown = 0
  b: unknown = ''
  link: StorageObject | null = null
}

export type AnyNode = Node | OtherNode

export const NODE_CLASSES: readonly (typeof Node | typeof OtherNode)[] = [Node, SpecialNode, MergingNode, OtherNode]
