/** A folder below the file's, another namespace beside it, another keyspace beside it. */
export function partOf(url: string, name: string): string {
  if (url.startsWith('cassandra:')) return url.replace(/^([^?]*)/, `$1_${name.replace('-', '_')}`)
  return url.startsWith('nvram:') ? `${url}/${name}` : `${url}-${name}`
}
