/** A class of errors that stands in no module of a task. */
export class ElsewhereError extends Error {
  constructor(
    message: string,
    readonly figure: number,
  ) {
    super(message)
  }

  get doubled(): number {
    return 2 * this.figure
  }
}
