/** The name of the method that Node's `inspect` asks an object for. Named here, not taken from `node:util`: declarations of ours are to compile without Node's types. */
export const INSPECT: unique symbol = Symbol.for('nodejs.util.inspect.custom')
