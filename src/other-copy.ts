/** What every StorageObject has, in whichever copy of this package its class was made. */
export const BRAND = Symbol.for('insitu.StorageObject')

/**
 * What to say of a value that is no StorageObject here: two copies of the package in one program (a dependency brings its own) have a class of
 * that name each, and each knows its own objects only.
 */
export const ofOtherCopy = (value: unknown): string | undefined =>
  typeof value === 'object' && value !== null && BRAND in value
    ? `a StorageObject of another copy of insitu than this program's: let both use one (\`npm ls insitu\` says who brings which, and \`npm dedupe\` may help)`
    : undefined
