import { signal } from '@preact/signals'

export type Theme = 'system' | 'light' | 'dark'

const KEPT_AS = 'silo-gateway.theme'

export const theme = signal<Theme>(kept())

/** Whether what is seen is dark, for what draws by itself. */
export const isDark = signal(false)

/** Shows the page in the chosen theme from now on, and heeds the system where none is chosen. */
export function followTheme(): void {
  const system = matchMedia('(prefers-color-scheme: dark)')
  const show = (): void => {
    isDark.value = theme.value === 'dark' || (theme.value === 'system' && system.matches)
    document.documentElement.dataset['theme'] = isDark.value ? 'dark' : 'light'
  }
  system.addEventListener('change', show)
  theme.subscribe(show)
}

export function choose(chosen: Theme): void {
  theme.value = chosen
  try {
    localStorage.setItem(KEPT_AS, chosen)
  } catch {
    // A browser that keeps nothing asks again next time.
  }
}

function kept(): Theme {
  try {
    const text = localStorage.getItem(KEPT_AS)
    return text === 'light' || text === 'dark' ? text : 'system'
  } catch {
    return 'system'
  }
}
