import { expect } from 'chai'

/** The error that a call throws or its promise rejects with. */
export async function thrown(call: () => unknown): Promise<Error & { readonly code?: string; readonly cause?: unknown }> {
  try {
    await call()
  } catch (error) {
    expect(error).to.be.instanceOf(Error)
    return error as Error
  }
  throw new Error('nothing was thrown')
}
