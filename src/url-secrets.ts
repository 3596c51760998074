/** A url as it may be printed, also one that nobody can read: whatever may be a user, a password or a part of one is left out. */
export const withoutSecrets = (url: string): string =>
  url.replace(/\/\/.*@/s, '//***@').replace(/([?&][^=&]*(?:pass|pwd|secret|token|auth)[^=&]*=)[^&]*/gi, '$1***')

/** Behind the first `/` or `?` an `@` is most often the end of a password that was written as it is. */
export const hasRawPassword = (url: string): boolean => /\/\/.*[/?@].*@/s.test(url)

export const RAW_PASSWORD = 'in a user or password / ? @ and % are written %2F %3F %40 and %25'
