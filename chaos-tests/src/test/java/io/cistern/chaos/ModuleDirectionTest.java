package io.cistern.chaos;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideOutsideOfPackages;
import static com.tngtech.archunit.core.domain.properties.HasName.Predicates.nameMatching;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The modules depend on each other in one direction only, and what is foreign stays where it is
/// wrapped.
class ModuleDirectionTest {
    private static final String BLOCK = "io.cistern.block..";
    private static final String RAFT = "io.cistern.raft..";
    private static final String STORAGE = "io.cistern.storage..";
    private static final String VOLUME = "io.cistern.volume..";
    private static final String SERVER = "io.cistern.server..";

    /// Every front end there is or will be; those that do not exist yet match nothing.
    private static final List<String> FRONT_ENDS =
            List.of("io.cistern.vmdisk..", "io.cistern.iscsi..", "io.cistern.nas..");

    private static JavaClasses cistern;

    @BeforeAll
    static void readClasses() {
        cistern =
                new ClassFileImporter()
                        .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
                        .importPackages("io.cistern");
    }

    /// Without this, a wrong class path would make every rule pass.
    @ParameterizedTest
    @ValueSource(
            strings = {
                BLOCK,
                RAFT,
                STORAGE,
                VOLUME,
                "io.cistern.vmdisk..",
                "io.cistern.iscsi..",
                SERVER
            })
    void everyModuleIsSeen(String module) {
        assertThat(cistern.that(resideInAPackage(module))).isNotEmpty();
    }

    @Test
    void modulesDependDownwardsOnly() {
        String[] frontEnds = FRONT_ENDS.toArray(String[]::new);
        noneOf(BLOCK).maySee(RAFT, STORAGE, VOLUME, SERVER).check(cistern);
        noneOf(RAFT).maySee(STORAGE, VOLUME, SERVER).check(cistern);
        noneOf(STORAGE).maySee(VOLUME, SERVER).check(cistern);
        noneOf(VOLUME).maySee(SERVER).check(cistern);
        noneOf(BLOCK, RAFT, STORAGE, VOLUME).maySee(frontEnds).check(cistern);
        noneOf(frontEnds).maySee(SERVER).check(cistern);
    }

    /// A front end is a client of the volumes, whatever carries them. Of what lies below it knows
    /// the vocabulary only.
    @Test
    void frontEndsSeeNeitherGroupsNorEngine() {
        noneOf(FRONT_ENDS.toArray(String[]::new)).maySee("io.cistern.raft.ratis..").check(cistern);
        noClasses()
                .that()
                .resideInAnyPackage(FRONT_ENDS.toArray(String[]::new))
                .should()
                .dependOnClassesThat(
                        resideInAPackage(STORAGE)
                                .and(not(nameMatching("io\\.cistern\\.storage\\.Command(\\$.*)?"))))
                .check(cistern);
    }

    @Test
    void frontEndsDoNotSeeEachOther() {
        for (String one : FRONT_ENDS) {
            noneOf(one)
                    .maySee(
                            FRONT_ENDS.stream()
                                    .filter(other -> !other.equals(one))
                                    .toArray(String[]::new))
                    .check(cistern);
        }
    }

    /// The device server could serve another transport; what the cluster exports is bound to both
    /// in one package.
    @Test
    void theDeviceServerKnowsNeitherIscsiNorTheCluster() {
        noneOf("io.cistern.iscsi.scsi..")
                .maySee(
                        VOLUME,
                        "io.cistern.iscsi",
                        "io.cistern.iscsi.cluster..",
                        "io.cistern.iscsi.login..",
                        "io.cistern.iscsi.pdu..",
                        "io.cistern.iscsi.session..")
                .check(cistern);
        noneOf("io.cistern.iscsi.pdu..", "io.cistern.iscsi.login..", "io.cistern.iscsi.session..")
                .maySee(VOLUME, "io.cistern.iscsi.cluster..")
                .check(cistern);
    }

    @Test
    void onlyRaftKnowsRatis() {
        onlyIn(RAFT).knows("org.apache.ratis..").check(cistern);
    }

    @Test
    void onlyTheStorageNodeKnowsRocksDb() {
        onlyIn(STORAGE).knows("org.rocksdb..").check(cistern);
    }

    /// Annotations of JSpecify leave no code behind.
    @Test
    void blockApiIsFreeOfForeignCode() {
        classes()
                .that()
                .resideInAPackage(BLOCK)
                .should()
                .onlyDependOnClassesThat(
                        resideInAnyPackage("java..", "javax..", "org.jspecify..", BLOCK))
                .check(cistern);
    }

    @Test
    void packagesHaveNoCyclesBetweenModules() {
        slices().matching("io.cistern.(*)..").should().beFreeOfCycles().check(cistern);
    }

    /// The rules above can fail: the same rule, turned round, finds what is there.
    @Test
    void aRuleThatIsBrokenIsReported() {
        assertThatThrownBy(() -> noneOf(VOLUME).maySee(STORAGE).check(cistern))
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("io.cistern.storage");
        assertThatThrownBy(() -> onlyIn(SERVER).knows("org.apache.ratis..").check(cistern))
                .isInstanceOf(AssertionError.class);
    }

    private static Modules noneOf(String... packages) {
        return new Modules(packages);
    }

    private static Modules onlyIn(String... packages) {
        return new Modules(packages);
    }

    private record Modules(String... packages) {
        ArchRule maySee(String... others) {
            return noClasses()
                    .that()
                    .resideInAnyPackage(packages)
                    .should()
                    .dependOnClassesThat()
                    .resideInAnyPackage(others)
                    .allowEmptyShould(true);
        }

        ArchRule knows(String foreign) {
            return noClasses()
                    .that(resideOutsideOfPackages(packages))
                    .should()
                    .dependOnClassesThat()
                    .resideInAPackage(foreign);
        }
    }
}
