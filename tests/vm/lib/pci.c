// SPDX-License-Identifier: GPL-2.0-only
#include "pci.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEVICES	"/sys/bus/pci/devices"

bool pci_find(const char *file, const char *value, char *name, size_t size)
{
	char path[512], text[32];
	struct dirent **found;
	FILE *attribute;
	int nr, i;

	nr = scandir(DEVICES, &found, NULL, alphasort);
	*name = '\0';
	for (i = 0; i < nr; i++) {
		snprintf(path, sizeof(path), DEVICES "/%s/%s", found[i]->d_name, file);
		attribute = fopen(path, "re");
		if (attribute && !*name && fgets(text, sizeof(text), attribute) &&
		    !strncmp(text, value, strlen(value)))
			snprintf(name, size, "%s", found[i]->d_name);
		if (attribute)
			fclose(attribute);
		free(found[i]);
	}
	free(found);
	return *name;
}
